"""Training with verl: recipes, launch, checkpoints; verl itself runs as a process of its own."""
