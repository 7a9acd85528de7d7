"""A trained head as a page in the browser, and as an address that programs can ask."""
