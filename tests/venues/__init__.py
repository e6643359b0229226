"""One scenario on all venues, and the page of docs/ that shows how they differ."""
