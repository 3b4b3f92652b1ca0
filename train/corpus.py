"""The King James Bible as plain text, from Debian's package bible-kjv-text.

The package stores the text compressed in a format of its own; the `bible`
command of the package bible-kjv prints it, a verse a line.
"""

import re
import subprocess

BOOKS = """Genesis Exodus Leviticus Numbers Deuteronomy Joshua Judges Ruth
1_Samuel 2_Samuel 1_Kings 2_Kings 1_Chronicles 2_Chronicles Ezra Nehemiah
Esther Job Psalms Proverbs Ecclesiastes Song_of_Solomon Isaiah Jeremiah
Lamentations Ezekiel Daniel Hosea Joel Amos Obadiah Jonah Micah Nahum Habakkuk
Zephaniah Haggai Zechariah Malachi Matthew Mark Luke John Acts Romans
1_Corinthians 2_Corinthians Galatians Ephesians Philippians Colossians
1_Thessalonians 2_Thessalonians 1_Timothy 2_Timothy Titus Philemon Hebrews
James 1_Peter 2_Peter 1_John 2_John 3_John Jude Revelation""".split()

# Every HELD_OUT-th chapter is never trained on. The offset keeps the first
# chapter of Genesis, whose opening everybody tries, in the training text.
HELD_OUT, OFFSET = 20, 10


def chapters():
    """Returns the chapters in order, each as text that begins with its title."""
    verses = subprocess.run(
        ["bible", "-f", "gen1:1-rev22:21"], stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True
    ).stdout.splitlines()
    found, book, last = [], -1, None
    for verse in verses:
        abbreviation, chapter, text = re.match(r"(\d?[A-Za-z]+)(\d+):\d+ (.*)", verse).groups()
        if (abbreviation, chapter) != last:
            book += last is None or abbreviation != last[0]
            last = (abbreviation, chapter)
            found.append([f"{BOOKS[book].replace('_', ' ')} {chapter}\n"])
        found[-1].append(text.strip())
    if book != len(BOOKS) - 1:
        raise ValueError(f"found {book + 1} books, want {len(BOOKS)}: the output of `bible` has changed")
    return ["\n".join(lines) + "\n" for lines in found]


def split():
    """Returns (training chapters, held-out chapters)."""
    every = chapters()
    held = [c for i, c in enumerate(every) if i % HELD_OUT == OFFSET]
    train = [c for i, c in enumerate(every) if i % HELD_OUT != OFFSET]
    return train, held
