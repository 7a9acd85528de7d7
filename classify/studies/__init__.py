"""Parts that all studies use: fits of many training parts, paired differences, files."""
