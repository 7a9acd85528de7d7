"""What a cross-validation leaves behind: figures, a page to read, a table on the terminal."""
