"""From a playbook's levels to what the kernels read: expressions, features, conditions in order."""
