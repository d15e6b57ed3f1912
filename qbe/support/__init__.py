"""What every room needs: errors, whole files, bounded memory, pictures."""
