"""Plans, draws, grades, resumes, repeats and forecasts evaluations."""
