"""What every room needs: constants, randomness, progress, atomic files and their checksums."""
