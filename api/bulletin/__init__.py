"""The county bulletin 县级农情简报: gathered once, shown as HTML and PDF."""
