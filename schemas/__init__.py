"""What things are: records, playbook models, wire contracts."""
