"""The stages one after another: whole runs, and single steps on a table of the user."""
