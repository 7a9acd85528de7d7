"""CASIA: four speakers of Mandarin say sentences in six emotions.

Files are ``wangzhe/neutral/239.wav``: speaker, emotion, sentence.
"""

import re

from data.vocabulary import english

TITLE = "CASIA, Chinese emotional corpus"
SIZE = 1200  # of the public part
ORIGIN = "https://aistudio.baidu.com/aistudio/datasetdetail/209512"
CITATION = "Institute of Automation, Chinese Academy of Sciences. CASIA Chinese emotional corpus."

LANGUAGES = ("zh",)
LABELS = english("angry", "fear", "happy", "neutral", "sad", "surprise")

GRAMMAR = re.compile(
    r"(?:.*/)?(?P<name>(?P<speaker>liuchanhg|wangzhe|zhaoquanyin|zhaozuoxiang)"
    rf"/(?P<emotion>{'|'.join(LABELS)})/(?P<sentence>\d{{3}}))"
)
