"""Pure kernels that turn signals into contexts, memberships and triggers."""
