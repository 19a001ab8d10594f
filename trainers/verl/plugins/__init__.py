"""What verl and vLLM load themselves; nothing else imports these modules."""
