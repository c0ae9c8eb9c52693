"""The words: a template is a whole mail, `<audience>.<event>`, in ja/ and en/."""
