"""What a run reads: surveys, membership lists, catalogues of clusters."""
