"""Stories: what happens to customers over time and what a playbook makes of it, played on several engines."""
