"""The download page: one-time URLs for certificates (threats URL1-URL3; manual 1-1, 【利用管理者作業】)."""
