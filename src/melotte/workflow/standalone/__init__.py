"""Single steps on files of the user's own: what the command line offers besides the whole job."""
