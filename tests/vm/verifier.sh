# In a guest: called by tests/vm/verifier.
exec test_verifier "$1"
