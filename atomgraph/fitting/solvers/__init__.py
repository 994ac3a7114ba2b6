"""The linear algebra of closed-form fits: rows are seen once, a triangular factor stays, every solver starts from it."""
