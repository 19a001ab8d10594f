"""Other projects' graders and training rewards, reproduced so that ours can be compared."""
