"""Stories of what happens to customers over time, readable by anyone, and what plays them."""
