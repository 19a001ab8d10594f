"""Other people's graders and training rewards, reproduced for comparison."""
