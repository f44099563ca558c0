"""From a playbook to the plans that the kernels read: expressions, features, conditions in order, offers."""
