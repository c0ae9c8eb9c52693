"""The download page (threats.md section 7 in the project's requirements; manual 1-1, 【利用管理者作業】)."""
