"""Training: members in processes of their own, resumable by member and by epoch."""
