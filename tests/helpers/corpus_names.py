"""A few file names of each corpus, and what they say: path, speaker, shared emotion, sex."""

EXAMPLES = {
    "aesdd": """
        anger/a03 (3).wav | 3 | anger |
        fear/f01 (2).wav | 2 | fear |
        sadness/s01 (5)a.wav | 5 | sadness |""",
    "ased": """
        01Neutral/n1-01-01-01-05.wav | 05 | neutral | female
        05Angry/a5-02-01-02-33.wav | 33 | anger | male
        04Sad/S4-04-02-01-29.wav | 29 | sadness | female""",
    "asvp-esd": """
        Audio/actor_36/03-01-09-01-06-36-02-02-01-39.wav | 36 | excitement | male
        Audio/actor_/03-02-13-01-01-110-02-02-02-13.wav | 110 | None | male
        Audio/actor_75/03-01-03-01-03-75-02-02.wav | 75 | happiness | female""",
    "bangla-ser": """
        Actor_01/03-01-05-01-01-01-01.wav | 01 | neutral | male
        Actor_02/03-01-04-02-02-02-02.wav | 02 | surprise | female
        Actor_34/03-01-01-01-03-03-34.wav | 34 | happiness | female""",
    "baved": """
        0/1-M-23-0-0-1.wav | 1 | None | male
        1/1-M-23-0-1-2.wav | 1 | None | male
        2/37-F-19-6-2-1200.wav | 37 | None | female""",
    "cafe": """
        CaFE_48k/Peur/Fort/12-P-2-5.wav | 12 | fear | female
        CaFE_48k/Col\u0160re/Faible/01-C-1-1.wav | 01 | anger | male
        CaFE_48k/Neutre/03-N-1-6.wav | 03 | neutral | male""",
    "casia": """
        wangzhe/neutral/239.wav | wangzhe | neutral |
        liuchanhg/angry/201.wav | liuchanhg | anger |
        liuchanhg/neutral/239.wav | liuchanhg | neutral |""",
    "emov-db": """
        bea_Amused/amused_1-15_0001.wav | bea | amusement | female
        sam_Disgusted/Disgust_169_196_0169.wav | sam | disgust | male
        josh_Sleepy/sleepiness_1-28_0002.wav | josh | sleepiness | male""",
    "emovo": """
        f2/gio-f2-b2.wav | f2 | happiness | female
        m3/pau-m3-n5.wav | m3 | fear | male
        m1/tri-m1-d1.wav | m1 | sadness | male""",
    "emozionalmente": """
        audio/1612871026347.wav | anna | neutral | female
        audio/1612872848291.wav | bruno | happiness | male
        audio/1612872848292.wav | chris | fear |""",
    "enterface": """
        subject 19/anger/sentence 4/s19_an_4.wav | 19 | anger |
        subject 11/anger/sentence 4/s12_an_4.wav | 11 | anger |
        subject 3/sadness/sentence 2/s_3_sa_2.wav | 3 | sadness |
        subject 6/disgust/s6_di.wav | 6 | disgust |
        subject 16/surprise/sentence 3/s16_su_3avi.wav | 16 | surprise |""",
    "esd": """
        0001/Angry/0001_000351.wav | 0001 | anger |
        0011/Neutral/train/0011_000051.wav | 0011 | neutral |
        0020/Surprise/evaluation/0020_001401.wav | 0020 | surprise |""",
    "jl-corpus": """
        JL(wav+txt)/male2_concerned_6b_1.wav | male2 | concern | male
        JL(wav+txt)/female1_excited_10a_2.wav | female1 | excitement | female
        JL(wav+txt)/female2_anxious_1a_1.wav | female2 | anxiety | female""",
    "mead": """
        W019/audio/neutral/level_1/020.wav | W019 | neutral | female
        M003/audio/contempt/level_3/020.wav | M003 | contempt | male
        M003/audio/angry/level_2/020.wav | M003 | anger | male""",
    "meld": """
        train/train_splits/dia0_utt0.wav | Chandler | happiness |
        dev_splits_complete/dia0_utt0.wav | Monica | sadness |
        test/output_repeated_splits_test/dia0_utt0.wav | Mark | surprise |""",
    "mesd": """
        Anger_F_B_ofensa.wav | None | anger | female
        Happiness_C_A_de_nada.wav | None | happiness |
        Neutral_M_A_ayer.wav | None | neutral | male""",
    "msp-podcast": """
        Audio/MSP-PODCAST_0001_0008.wav | 127 | neutral | male
        Audio/MSP-PODCAST_0103_0570_0001.wav | None | contempt |
        Audio/MSP-PODCAST_0103_0570_0002.wav | 128 | None | female""",
    "nemo": """
        samples/SB0_anger_1.wav | SB0 | anger | female
        samples/SB0_neutral_1.wav | SB0 | neutral | female
        samples/JG3_surprise_7.wav | JG3 | surprise | male""",
    "oreau": """
        Ore\u0301auFR_02/m/sessj/29a13Ja.wav | 29 | happiness | male
        Or\u00e9auFR_02/f/sessc/10a02Ca.wav | 10 | anger | female
        OreauFR_02/m/sesst/08a02Ta.wav | 08 | sadness | male""",
    "polish": """
        m3.s_trzymaj_5.wav | m3 | fear | male
        m1.a_nie_1.wav | m1 | anger | male
        m5.n_stop_2.wav | m5 | neutral | male""",
    "resd": """
        train/08_sadness_anger/08_sadness_anger a_010.wav | None | anger |
        test/08_sadness_anger/08_sadness_anger s_020.wav | None | sadness |
        test/enthusiasm_fear_14/14_enthusiasm_fear_e_061.wav | None | enthusiasm |""",
    "savee": """
        DC_a01.wav | DC | anger | male
        JE_sa03.wav | JE | sadness | male
        AudioData/KL/su15.wav | KL | surprise | male
        AudioData/JK/n30.wav | JK | neutral | male""",
    "shemo": """
        male/M32S01.wav | M32 | sadness | male
        female/F01W02.wav | F01 | surprise | female
        male/M01F01.wav | M01 | fear | male""",
    "subesco": """
        M_09_SHUMANTA_S_2_FEAR_2.wav | M09 | fear | male
        F_09_CHAITY_S_10_HAPPY_5.wav | F09 | happiness | female
        F_02_MONIKA_S_2_SURPRISE_3].wav | F02 | surprise | female""",
    "turev-db": """
        Sound Source/Calm/1984_sk_orgu.wav | 1984 | calm |
        Sound Source/Angry/1157_kz_orgu.wav | 1157 | anger |
        Sound Source/Sad/6783_hl_cay.wav | 6783 | sadness |""",
    "urdu": """
        Angry/SM1_F10_A010.wav | SM1 | anger | male
        Happy/SF1_F10_H010.wav | SF1 | happiness | female
        Neutral/SM20_F3_N017.wav | SM20 | neutral | male""",
}

TABLES = {  # of the corpora whose labels are not in the file names
    "emozionalmente": {
        "metadata/samples.csv": "file_name,actor,sentence,emotion_expressed\n"
        "1612871026347.wav,anna,Vorrei il numero telefonico,neutrality\n"
        "1612872848291.wav,bruno,Vorrei il numero telefonico,joy\n"
        "1612872848292.wav,chris,,fear\n",
        "metadata/users.csv": "username,gender,age\nanna,f,31\nbruno,m,40\nchris,o,\n",
    },
    "meld": {
        f"{split}_sent_emo.csv": "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,"
        f'Utterance_ID\n1,"Well, well.",{speaker},{emotion},neutral,0,0\n'
        for split, speaker, emotion in (
            ("train", "Chandler", "joy"),
            ("dev", "Monica", "sadness"),
            ("test", "Mark", "surprise"),
        )
    },
    "msp-podcast": {
        "Labels/labels_concensus.csv": "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,"
        "Split_Set\nMSP-PODCAST_0001_0008.wav,N,4.2,3.8,4.0,127,Male,Train\n"
        "MSP-PODCAST_0103_0570_0001.wav,C,4.2,3.8,4.0,Unknown,Unknown,Test1\n"
        "MSP-PODCAST_0103_0570_0002.wav,X,5.5,2.5,4.0,128,Female,Test1\n"
    },
    "nemo": {
        "data.tsv": "file_id\temotion\traw_text\tspeaker_id\tgender\tage\n"
        "SB0_anger_1.wav\tanger\tAch, rzeczywi\u015bcie.\tSB0\tfemale\t25\n"
        "SB0_neutral_1\tneutral\tAch.\tSB0\tfemale\t25\nJG3_surprise_7\tsurprise\tAch.\tJG3\tmale\t\n"
    },
}


def examples(name: str) -> list[tuple[str, str | None, str | None, str | None]]:
    """Path, speaker, shared emotion and sex of the examples; None is unknown."""
    rows = [[cell.strip() for cell in row.split("|")] for row in EXAMPLES[name].split("\n")[1:]]
    return [
        (path, *(None if cell in ("", "None") else cell for cell in cells)) for path, *cells in rows
    ]


def files(name: str) -> dict[str, str]:
    """The examples and the tables of a corpus, as files with their content."""
    return dict.fromkeys((path for path, *_ in examples(name)), "") | TABLES.get(name, {})
