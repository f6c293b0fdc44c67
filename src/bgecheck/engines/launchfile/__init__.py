"""Files that hold launch commands: each form is read into words that know where they stand, and written back."""
