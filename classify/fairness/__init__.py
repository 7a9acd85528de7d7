"""Scores of groups of speakers, such as by sex or age, and tests of their differences."""
