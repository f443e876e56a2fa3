"""From facts to answers, one page for each question."""
