"""Real mail servers for what is measured and for the tests: started on free ports, gone afterwards."""
