"""What a run is, and how it is stored, found, read and scored."""
