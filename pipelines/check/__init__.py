"""An invariant kit: small worlds at random for one's own playbook, and what must hold in each of them."""
