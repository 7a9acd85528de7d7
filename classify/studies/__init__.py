"""What studies share: fits of many training parts, paired differences, and their files."""
