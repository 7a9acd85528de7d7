"""The shared vocabulary of emotions, and other English words for them."""

VERSION = 2  # of the vocabulary and its words; 1 had 13 emotions, and anxiety was fear

_ENGLISH = {  # shared → other words for it
    "amusement": "amused",
    "anger": "angry ang mad rage",
    "anxiety": "anxious",
    "apology": "apologetic",
    "assertiveness": "assertive",
    "boredom": "bored bor boring",
    "calm": "calmness relaxed",
    "concern": "concerned worried",
    "contempt": "contemptuous con",
    "disappointment": "disappointed",
    "disgust": "disgusted dis",
    "encouragement": "encouraging",
    "enthusiasm": "enthusiastic",
    "excitement": "excited exc",
    "fear": "fearful fea afraid scared",
    "frustration": "frustrated fru",
    "happiness": "happy hap joy joyful",
    "neutral": "neu neutrality",
    "pain": "",
    "pleasure": "pleased",
    "sadness": "sad",
    "sarcasm": "sarcastic",
    "sleepiness": "sleepy",
    "surprise": "surprised sur ps pleasant_surprise pleasant_surprised",
    "other": "oth",
}
SHARED = tuple(_ENGLISH)
_WORDS = {word: shared for shared in SHARED for word in (shared, *_ENGLISH[shared].split())}


def shared_word(word: str) -> str | None:
    """The emotion of `SHARED` that an English word names; None for another word.

    >>> shared_word("Joyful"), shared_word("pensive")
    ('happiness', None)
    """
    return _WORDS.get(word.strip().lower().replace(" ", "_").replace("-", "_"))


def english(*labels: str) -> dict[str, str | None]:
    """Native → shared emotion, of labels that are English words.

    >>> english("angry", "sad")
    {'angry': 'anger', 'sad': 'sadness'}
    """
    return {label: shared_word(label) for label in labels}


def beginnings(length: int, *emotions: str) -> dict[str, str | None]:
    """Native → shared emotion, of labels that are the first letters of emotions.

    >>> beginnings(1, "Anger", "Sadness")
    {'A': 'anger', 'S': 'sadness'}
    """
    return {emotion[:length]: emotion.lower() for emotion in emotions}
