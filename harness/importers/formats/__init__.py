"""Read the formats of saved generations; each format has its own file."""
