"""What every other package may use: small things that know nothing of evaluation or training."""
