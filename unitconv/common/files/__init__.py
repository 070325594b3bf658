"""Files that may be broken or shared: JSON, JSON Lines, lock files."""
