"""Tables and notes for the terminal."""
