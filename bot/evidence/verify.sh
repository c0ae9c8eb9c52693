#!/bin/sh
# Proves one certificate, and its revocation if there is one, from the files beside this script:   sh verify.sh
# Needs sh, awk, cat, cmp, mkdir, rm, sed, sha256sum, openssl and, for OpenPGP approvals, gpg. Ends with 0 only if
# everything holds. What it can't know, a person compares: see README.txt.

verdict=open
broken=no
sums=
seal=
work=

leave() {
	[ -z "$work" ] || rm -rf "$work"
	[ "$verdict" = PROVEN ] && exit 0
	exit 1
}

fail() {
	broken=yes
	printf 'NOT PROVEN / 証明できません: %s\n' "$*"
	exit 1
}

ok() {
	printf 'ok    %s\n' "$*"
}

# what the environment says must decide nothing
prepare() {
	LC_ALL=C
	export LC_ALL
	unset CDPATH GNUPGHOME OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES SSL_CERT_FILE SSL_CERT_DIR POSIXLY_CORRECT
	for tool in awk cat cmp mkdir rm sed sha256sum openssl; do
		command -v "$tool" >/dev/null 2>&1 || fail "the program $tool is missing"
	done
	case $0 in */*) cd "${0%/*}" || fail "can't enter the folder of this script" ;; esac
	umask 077
	work=${TMPDIR:-/tmp}/ringi-evidence.$$
	mkdir "$work" || {
		work=
		fail "can't make a folder for work: set TMPDIR"
	}
	HOME=$work
	export HOME
}

# every file is in SHA256SUMS, byte for byte, and there is no other
check_sums() {
	set --
	for file in * .[!.]* ..?* revocation/* revocation/.[!.]* revocation/..?*; do
		[ -e "$file" ] || [ -h "$file" ] || continue
		case ${file#revocation/} in *[!A-Za-z0-9._-]* | -*) fail "a file that does not belong here: $file" ;; esac
		[ -h "$file" ] && fail "$file is a link, not a file"
		[ "$file" = revocation ] && [ -d revocation ] && continue
		[ -f "$file" ] || fail "$file is not a file"
		case $file in SHA256SUMS | SEAL) ;; *) set -- "$@" "$file" ;; esac
	done
	sha256sum "$@" >"$work/sums" || fail "sha256sum does not work"
	cmp -s "$work/sums" SHA256SUMS && sums=hold
	[ "$sums" = hold ] || fail "a file was changed, added or removed: $(differing)"
	ok "SHA256SUMS: all $# files are as they were written, and there is no other"
}

differing() {
	awk 'FNR == 1 { which++ } which == 1 { is[$2] = $1; next } { was[$2] = $1 }
		END { for (f in is) if (is[f] != was[f]) print f; for (f in was) if (!(f in is)) print f
		      print "or SHA256SUMS itself" }' "$work/sums" SHA256SUMS
}

# a second look by other means: one changed byte of this script can't blind both
check_seal() {
	found=$(sha256sum README.txt SHA256SUMS verify.sh; printf .)
	[ "$found" = "$(cat SEAL; printf .)" ] || fail "README.txt, SHA256SUMS, verify.sh or SEAL was changed"
	sha256sum README.txt SHA256SUMS verify.sh | cmp -s - SEAL && seal=hold
	[ "$seal" = hold ] || fail "SEAL was changed"
	ok "SEAL: README.txt, SHA256SUMS and this script are as they were written"
}

digest() {
	sum=$(sha256sum "$1") || fail "$1 can't be read"
	printf '%s' "${sum%% *}"
}

# a file in DER as PEM of this kind; what is wrong with it, its reader says
pem() {
	printf -- '-----BEGIN %s-----\n' "$1"
	openssl base64 -in "$2" || fail "$2 can't be read"
	printf -- '-----END %s-----\n' "$1"
}

claim() {
	sed -n "s/^$1=//p" "${part}facts.txt"
}

# --- mails -----------------------------------------------------------------------------------------------------

# the parts of a MIME entity, one a line: path first body last type encoding charset format delsp attached
parts() {
	awk '
	function parameter(header, name,    low, value) {
		low = tolower(header)
		if (!match(low, "[; \t]" name "[ \t]*=[ \t]*")) return ""
		value = substr(header, RSTART + RLENGTH)
		if (substr(value, 1, 1) == "\"") { value = substr(value, 2); sub(/".*/, "", value) }
		else sub(/[; \t].*/, "", value)
		return value
	}
	function word(text) { sub(/[;].*/, "", text); gsub(/[ \t]/, "", text); return tolower(text) }
	function or_none(text) { gsub(/[ \t]/, "", text); return text == "" ? "-" : text }
	function entity(path, first, last, depth,    i, name, head, type, cte, dis, mark, start, part, bound, line, open) {
		if (depth > 10) return
		type = cte = dis = ""; name = ""
		for (i = first; i <= last && L[i] != ""; i++) {
			if (L[i] ~ /^[ \t]/) { head[name] = head[name] " " L[i]; continue }
			name = tolower(L[i]); sub(/[ \t]*:.*/, "", name)
			head[name] = L[i]; sub(/^[^:]*:[ \t]*/, "", head[name])
		}
		type = word(head["content-type"]); if (type == "") type = "text/plain"
		cte = word(head["content-transfer-encoding"]); dis = word(head["content-disposition"])
		open = (dis == "attachment" || parameter(head["content-disposition"], "filename") != "" || \
		        parameter(head["content-type"], "name") != "") ? "attached" : "-"
		print path, first, i + 1, last, type, or_none(cte), \
			or_none(tolower(parameter(head["content-type"], "charset"))), \
			or_none(tolower(parameter(head["content-type"], "format"))), \
			or_none(tolower(parameter(head["content-type"], "delsp"))), open
		if (type !~ /^multipart\//) return
		mark = "--" parameter(head["content-type"], "boundary")
		part = 0; start = 0
		if (mark == "--") return
		for (i = i + 1; i <= last; i++) {
			line = L[i]; sub(/[ \t]+$/, "", line)
			if (line != mark && line != mark "--") continue
			if (start) { part++; entity(path "." part, start, i - 1, depth + 1) }
			start = i + 1
			if (line == mark "--") return
		}
	}
	{ sub(/\r$/, ""); L[NR] = $0 }
	END { entity("1", 1, NR, 0) }' "$1"
}

# lines $2 to $3 of file $1; canonical: ended by CRLF. Without the line end before the boundary
slice() {
	awk -v first="$2" -v last="$3" -v canonical="$4" '
	NR < first { next } NR > last { exit }
	{ bare = $0; sub(/\r$/, "", bare); had = bare != $0 }
	NR > first { printf "%s", (canonical || ended) ? "\r\n" : "\n" }
	{ printf "%s", bare; ended = had }' "$1"
}

# the content of a part: file first last encoding [kept: blanks at line ends of quoted-printable]
decode() {
	case $4 in
	base64)
		slice "$1" "$2" "$3" | awk '{ gsub(/[ \t\r]/, ""); all = all $0 }
			{ while (length(all) > 64) { print substr(all, 1, 64); all = substr(all, 65) } }
			END { if (all != "") print all }' | openssl base64 -d
		;;
	quoted-printable)
		slice "$1" "$2" "$3" | awk -v kept="$5" '
		BEGIN { for (i = 0; i < 256; i++) { byte[sprintf("%02X", i)] = i }
			for (i = 1; i < 256; i++) char[i] = sprintf("%c", i) }
		NR > 1 && !soft { printf "%s", ended ? "\r\n" : "\n" }
		{ ended = sub(/\r$/, ""); if (!kept) sub(/[ \t]+$/, "")
		  soft = sub(/=$/, ""); line = $0
		  while ((at = index(line, "=")) > 0) {
			printf "%s", substr(line, 1, at - 1)
			hex = toupper(substr(line, at + 1, 2))
			if (!(hex in byte) || byte[hex] == 0) { printf "<broken>"; hex = "" } else printf "%s", char[byte[hex]]
			line = substr(line, at + (hex == "" ? 1 : 3))
		  }
		  printf "%s", line }'
		;;
	- | 7bit | 8bit | binary) slice "$1" "$2" "$3" ;;
	*) fail "an encoding that this script does not know: $4" ;;
	esac
}

# does some part of the MIME file $1 hold exactly the bytes of file $2?
holds() {
	parts "$1" >"$work/parts"
	while read -r path first body last type encoding rest; do
		case $type in multipart/*) continue ;; esac
		for kept in "" 1; do
			decode "$1" "$body" "$last" "$encoding" "$kept" >"$work/leaf" 2>/dev/null
			cmp -s "$work/leaf" "$2" && return 0
		done
	done <"$work/parts"
	return 1
}

# the decision lines and the codes in a text that was signed: `LINE …` normalised, `CODE 32 hex digits`
read_text() {
	awk -v charset="$2" -v flowed="$3" -v delsp="$4" '
	BEGIN {
		for (i = 1; i < 256; i++) { char[i] = sprintf("%c", i); ord[char[i]] = i }
		kind = "utf8"
		if (charset ~ /^(shift[_-]jis|sjis|x-sjis|cp932|ms932|windows-31j)$/) kind = "sjis"
		if (charset ~ /^(euc-jp|eucjp|x-euc-jp)$/) kind = "euc"
		if (charset ~ /^iso-2022-jp/) kind = "jis"
		for (i = 1; i < 256; i++) wide[char[i]] = i < 128 ? 1 : (kind == "utf8" ? (i < 192 ? 0 : 2) : 1)
		words = 0
		table(kind == "utf8" ? "utf8" : "euc")
		h = "[0-9a-f]"; h = h h h h h h h h; gap = "(-|- | )"
		code = h gap h gap h gap h
	}
	function add(from, to) { words++; before[words] = from; after[words] = to }
	function table(set,    i) {
		if (set == "utf8") {
@WORDS_UTF8@
			add("\343\200\200", " "); add("\302\240", " ")
			for (i = 33; i < 127; i++)
				add("\357" (i < 96 ? "\274" char[i + 96] : "\275" char[i + 32]), i == 38 ? "\\&" : char[i])
		} else {
@WORDS_EUC@
			add("\241\241", " "); add("\241\244", ","); add("\241\247", ":"); add("\241\245", ".")
			add("\241\335", "-"); add("\241\344", ">"); add("\241\303", "|")
			for (i = 48; i < 123; i++) if (char[i] ~ /[0-9A-Za-z]/) add("\243" char[i + 128], char[i])
		}
	}
	# ISO-2022-JP and Shift_JIS as EUC, in which the words above are written
	function from_jis(line,    out, i, kanji, c) {
		out = ""; kanji = 0
		for (i = 1; i <= length(line); i++) {
			c = substr(line, i, 1)
			if (c == "\033") { kanji = (substr(line, i + 1, 1) == "$"); i += 2; continue }
			out = out (kanji ? char[ord[c] + 128] : c)
		}
		return out
	}
	function from_sjis(line,    out, i, a, b) {
		out = ""
		for (i = 1; i <= length(line); i++) {
			a = ord[substr(line, i, 1)]
			if (a < 129 || (a > 159 && a < 224)) { out = out (a > 127 ? "?" : char[a]); continue }
			i++; b = ord[substr(line, i, 1)]
			a = (a < 160 ? a - 112 : a - 176) * 2
			if (b < 159) { a--; b -= (b > 126 ? 32 : 31) } else b -= 126
			out = out ((a > 126 || b < 33) ? "?" : char[a + 128] char[b + 128])
		}
		return out
	}
	function ascii(line,    i) {
		if (kind == "jis") line = from_jis(line)
		if (kind == "sjis") line = from_sjis(line)
		decoded = line
		for (i = 1; i <= words; i++) if (index(line, before[i])) gsub(before[i], after[i], line)
		gsub(/[ \t]+/, " ", line); sub(/^ /, "", line); sub(/ $/, "", line)
		return line
	}
	# as wide as it stands, roughly
	function columns(line,    i, n) {
		n = 0
		for (i = 1; i <= length(line); i++) n += wide[substr(line, i, 1)]
		return n
	}
	# a program that breaks quoted lines leaves the rest of one without its mark
	function is_broken_off(line,    room) {
		if (above == "") return 0
		gsub(kind == "utf8" ? "\343\200\200|\302\240" : "\241\241", " ", line)
		room = above; sub(/[ \t]+$/, "", room); sub(/^[ \t]+/, "", line); sub(/[ \t].*/, "", line)
		return line != "" && columns(room) + 1 + columns(line) > 64
	}
	function take(line,    own, plain, raw, quoted, i) {
		own = ascii(line); raw = decoded
		plain = own; sub(/^[ >|]+/, "", plain); joined = joined " " plain
		if (own ~ /^\001\001+ Ringi( [^ ]+)? \001\001+$/) over = 1
		own = toupper(own)
		# the head of an old mail that is quoted without marks
		other = "^[*]?(SENT|DATE|TO|CC|SUBJECT|REPLY-TO) ?:"
		for (i = lines - 2; i <= lines && !over; i++)
			if (i > 0 && (line_of[i] ~ /^[*]?FROM ?:/ && own ~ other || line_of[i] ~ other && own ~ /^[*]?FROM ?:/)) {
				over = 1; said = said_at[i]
			}
		if (own != "") { lines++; line_of[lines] = own; said_at[lines] = said + 0 }
		quoted = own ~ /^[>|]/ || is_broken_off(raw)
		above = quoted ? raw : ""
		if (over || quoted) return
		r = "[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*"
		if (own ~ ("^APPROVE( REVOCATION)?( " r ")?( EXCEPT " r ")?( FAULTLESS-ONLY)?[.]?$") || \
		    own ~ ("^(DECLINE|HOLD)( " r ")?( ?:.*|[.]?)$") || own ~ /^RESUME[.]?$/ || \
		    own ~ /^APPLY( AND APPROVE)? (ISSUE|RENEW|REVOKE)( FAULTLESS-ONLY)?[.]?$/) {
			sub(/[.]$/, "", own); decision[++said] = own
		}
	}
	{ sub(/\r$/, "")
	  if (flowed == "flowed") {
		match($0, /^>*/); depth = RLENGTH; rest = substr($0, depth + 1); sub(/^ /, "", rest)
		if (NR > 1 && pending != "" && depth != old) { take(pending); pending = "" }
		soft = rest ~ / $/ && rest != "-- "
		mark = depth ? substr($0, 1, depth) " " : ""
		if (pending == "") pending = mark
		if (soft && delsp == "yes") sub(/ $/, "", rest)
		pending = pending rest; old = depth
		if (!soft) { take(pending); pending = "" }
	  } else take($0) }
	END { if (pending != "") take(pending)
	  for (place = 1; place <= said; place++) print "LINE " decision[place]
	  gsub(/ +/, " ", joined)
	  while (match(joined, code)) {
		left = RSTART > 1 ? substr(joined, RSTART - 1, 1) : ""; right = substr(joined, RSTART + RLENGTH, 1)
		found = substr(joined, RSTART, RLENGTH); gsub(/[- ]/, "", found)
		if (left !~ /[0-9a-f-]/ && right !~ /[0-9a-f-]/ && !(found in seen)) { seen[found] = 1; print "CODE " found }
		joined = substr(joined, RSTART + (left ~ /[0-9a-f-]/ || right ~ /[0-9a-f-]/ ? 1 : RLENGTH))
	  } }' "$1"
}

# does a decision line (`APPROVE 1-40 EXCEPT 3,7`) cover the row of this number?
covers() {
	printf '%s\n' "$1" | awk -v row="$2" '
	function among(list,    n, i, ranges, ends) {
		n = split(list, ranges, ",")
		for (i = 1; i <= n; i++) {
			if (split(ranges[i], ends, "-") == 1) ends[2] = ends[1]
			if (ends[1] + 0 <= row && row <= ends[2] + 0) return 1
		}
		return 0
	}
	{ named = without = ""
	  for (i = 1; i <= NF; i++) { if ($i ~ /^[0-9]/) { if ($(i - 1) == "EXCEPT") without = $i; else named = $i } }
	  exit !((named == "" || among(named)) && !(without != "" && among(without))) }'
}

# --- the request ------------------------------------------------------------------------------------------------

check_request() {
	number=$(claim application)
	seq=$(claim seq)
	serial=$(claim serial)
	case $number$seq$serial in *[!A-Za-z0-9-]* | "") fail "facts.txt is not in order" ;; esac
	sheet=$(digest "${part}application.sheet")
	code=$(printf '%.32s' "$sheet")
	sheet_says "Ringi-Sheet: 1" "it is not a sheet"
	sheet_says "Application: $number" "the sheet is of another application"
	sheet_says "File: sha256:$(digest "${part}application.tsv")" "the TSV file is not the one that the sheet names"
	sheet_says "Register: sha256:$(digest "${part}register.toml")" "the register is not the one that the sheet names"
	kind=$(sed -n 's/^Kind: //p' "${part}application.sheet")
	case $part$kind in issue | renew | revocation/revoke) ;; *) fail "the sheet is of the kind $kind" ;; esac
	row=$(digest "${part}row.tsv")
	awk -v want="Row-$seq: sha256:$row " 'index($0, want) == 1 { found = 1 } END { exit !found }' "${part}application.sheet" ||
		fail "the row is not the one that the sheet names as row $seq"
	ok "the sheet of $number has the code $code and names this TSV file, this register file and this row $seq"
	awk 'FNR == 1 { file++ } { sub(/\r$/, "") } file == 1 { row = row $0; next }
		FNR == 1 { sub(/^\357\273\277/, "") } $0 == row { found = 1 } END { exit !found }' \
		"${part}row.tsv" "${part}application.tsv" ||
		fail "the row is no line of the TSV file"
	if holds "${part}application.eml" "${part}application.tsv"; then
		ok "the application mail holds that TSV file, and the row is a line of it"
	elif [ "$kind" = revoke ] && is_of_a_renewal; then
		ok "the TSV file is the one in which a renewal asks for its old certificate's revocation, made upon the application mail"
	else
		fail "the application mail does not hold the TSV file"
	fi
}

# the one row, in the one form, in which the old certificate of a renewal is asked to be revoked
is_of_a_renewal() {
	awk -F '\t' -v words="@RETURNED@" '
		NF != 13 || $5 != "0" || $6 != words || $2 $3 $7 $8 $9 $11 $12 != "" || $13 != "\r" { other = 1 }
		END { exit other || NR != 1 }' "${part}application.tsv"
}

sheet_says() {
	awk -v want="$1" '$0 == want { found++ } END { exit found != 1 }' "${part}application.sheet" || fail "$2"
}

cell() {
	awk -v column="$1" -F '\t' '{ sub(/\r$/, "") } NR == 1 { text = $column; gsub(/^ +| +$/, "", text); print text }' \
		"${part}row.tsv"
}

check_certificate() {
	cell 7 | sed 's/-----[A-Z ]*-----//g' | awk '{ gsub(/[ \t]/, ""); while (length($0) > 64) { print substr($0, 1, 64)
		$0 = substr($0, 65) } if ($0 != "") print }' | openssl base64 -d >"$work/csr"
	cmp -s "$work/csr" request.der || fail "the CSR is not that of the row (column 7)"
	openssl req -inform DER -in request.der -noout -verify -pubkey >"$work/csr.pub" 2>/dev/null ||
		fail "the CSR is not signed by its own key"
	pem CERTIFICATE certificate.der >"$work/certificate.pem"
	openssl x509 -in "$work/certificate.pem" -outform DER | cmp -s - certificate.der || fail "certificate.der holds more"
	openssl x509 -in "$work/certificate.pem" -noout -pubkey >"$work/certificate.pub"
	cmp -s "$work/csr.pub" "$work/certificate.pub" || fail "the certificate is for another key than the CSR"
	ok "the CSR is column 7 of the row, and the certificate is for the key of that CSR"
	check_names
	check_issuer
}

# CN, OU, O, L, ST, C of column 1, as the certificate has them
row_names() {
	drops=$(awk '/^[ \t]*ou_policy[ \t]*=[ \t]*"drop"/ { print "yes" }' "${part}register.toml")
	cell 1 | awk -v drops="$drops" '
	{ rest = "," $0
	  while (match(toupper(rest), /, *(CN|OU|O|L|ST|C)=/)) {
		if (key != "") value = substr(rest, 1, RSTART - 1)
		if (key != "") show()
		key = toupper(substr(rest, RSTART + 1, RLENGTH - 2)); gsub(/ /, "", key)
		rest = substr(rest, RSTART + RLENGTH)
	  }
	  value = rest; show() }
	function show() {
		gsub(/^ +| +$/, "", value)
		if (key == "CN") value = tolower(value)
		if (!(key == "OU" && drops)) print key "=" value
	}'
}

# subject, and the host names of columns 1 and 13
check_names() {
	row_names >"$work/row.names"
	openssl x509 -in "$work/certificate.pem" -noout -subject -nameopt sep_multiline,sname,utf8,dn_rev |
		sed -e 1d -e 's/^ *//' >"$work/certificate.names"
	cmp -s "$work/row.names" "$work/certificate.names" || fail "the certificate has another subject than the row"
	{ sed -n 's/^CN=//p' "$work/row.names"; cell 13; } | awk '
		{ n = split($0, items, ",")
		  for (i = 1; i <= n; i++) { name = tolower(items[i]); gsub(/ /, "", name); sub(/^dnsname=/, "", name)
			if (name != "" && !(name in seen)) { seen[name] = 1; print "DNS:" name } } }' >"$work/row.hosts"
	openssl x509 -in "$work/certificate.pem" -noout -ext subjectAltName |
		awk 'NR > 1 { n = split($0, items, ","); for (i = 1; i <= n; i++) { gsub(/ /, "", items[i]); print items[i] } }' \
			>"$work/certificate.hosts"
	cmp -s "$work/row.hosts" "$work/certificate.hosts" || fail "the certificate has other host names than the row"
	ok "its subject and its host names are those of the row: $(awk '{ printf "%s ", $0 }' "$work/certificate.hosts")"
}

check_issuer() {
	hex=$(openssl x509 -in "$work/certificate.pem" -noout -serial | sed 's/^serial=//')
	found=$(printf '%s\n' "$hex" | awk '
		{ n = 1; digit[1] = 0
		  for (i = 1; i <= length($0); i++) {
			carry = index("0123456789ABCDEF", substr($0, i, 1)) - 1
			for (j = 1; j <= n; j++) { carry += digit[j] * 16; digit[j] = carry % 10; carry = int(carry / 10) }
			while (carry) { digit[++n] = carry % 10; carry = int(carry / 10) }
		  }
		  for (j = n; j; j--) printf "%d", digit[j] }')
	[ "$found" = "$serial" ] || fail "the certificate has the serial number $found, not $serial"
	: >"$work/chain.pem"
	place=1
	while [ -f "issuer-$place.der" ]; do
		pem CERTIFICATE "issuer-$place.der" >"$work/top.pem"
		cat "$work/top.pem" >>"$work/chain.pem"
		place=$((place + 1))
	done
	[ $place -gt 1 ] || fail "there is no issuer"
	openssl verify -no-CApath -no-CAstore -partial_chain -attime "$(epoch "$issued_at")" -CAfile "$work/top.pem" \
		-untrusted "$work/chain.pem" "$work/certificate.pem" >/dev/null 2>&1 ||
		fail "the certificate does not lead to the issuer beside it"
	ok "its serial number is $serial, and it is signed by the issuer beside it, valid on $issued_at"
	top=$(digest "issuer-$((place - 1)).der" | awk '{ $0 = toupper($0); gsub(/../, "&:"); sub(/:$/, ""); print }')
}

# 2026-11-22T03:04:05Z in seconds since 1970
epoch() {
	printf '%s\n' "$1" | awk -F '[-T:Z]' '{ y = $1; m = $2 + 0; if (m < 3) { y--; m += 12 }
		d = 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * (m - 3) + 2) / 5) + $3 - 719469
		printf "%d", d * 86400 + $4 * 3600 + $5 * 60 + $6 }'
}

# --- the journal ------------------------------------------------------------------------------------------------

# columns: seq, time, event, SHA-256 of the facts, hash before, hash, facts (or -)
check_journal() {
	mkdir "$work/links"
	awk -F '\t' -v work="$work/links" '
	function write(name, text) { printf "%s", text > name; close(name) }
	NF != 7 { exit 1 }
	NR > 1 && ($1 != seq + 1 || $5 != before) { exit 1 }
	{ seq = $1 + 0; before = $6; folder = work "/" int(seq / 1000)
	  if (folder != made) { system("mkdir -p \"" folder "\""); made = folder }
	  write(folder "/" seq ".link", $1 "\n" $2 "\n" $3 "\n" $4 "\n" $5)
	  if ($7 != "-") write(folder "/" seq ".facts", $7) }' journal.tsv || fail "the journal path has a gap or another form"
	for folder in "$work"/links/*; do
		(cd "$folder" && sha256sum ./*) || fail "sha256sum does not work"
	done | awk 'FNR == NR { name = $2; sub(/.*\//, "", name); sum[name] = $1; next }
		{ if (sum[$1 ".link"] != $6) { print $1; exit } if ($7 != "-" && sum[$1 ".facts"] != $4) { print $1; exit } }' \
		- FS='\t' journal.tsv >"$work/bad"
	[ -s "$work/bad" ] && fail "entry $(cat "$work/bad") of the journal path was changed"
	head=$(awk -F '\t' 'END { print $6 }' journal.tsv)
	from=$(sed -n 's/^Journal: //p' application.sheet)
	awk -F '\t' -v head="$from" 'NR == 1 { exit !($6 == head || ($5 == head && $1 == 1 && head ~ /^0+$/)) }' journal.tsv ||
		fail "the journal path does not begin at the head that the sheet names"
	ok "the journal path is unbroken from the head in the sheet to $head ($(awk 'END { print NR }' journal.tsv) entries)"
}

# the application, the intention to carry it out, and what else the given words say, in this order
check_taken() {
	set -- "$1" "\"file\":\"$(digest "${part}application.tsv")\"" "\"mail\":\"$(digest "${part}application.eml")\"" \
		"\"number\":\"$number\"" "\"sheet\":\"$sheet\""
	# frozen: put before the officers again with this sheet, after the policy had changed
	taken=$(entry taken "$2" "$3" "$4" "$5" || entry frozen "$2" "$3" "$4" "$5") ||
		fail "no entry says that this application was taken"
	intended=$(entry intended "\"number\":\"$number\"" "\"row\":\"$row\"" "\"seq\":$seq," "\"serial\":\"$serial\"") ||
		fail "no entry says that this certificate was intended"
	[ "${taken%% *}" -lt "${intended%% *}" ] && [ "${intended%% *}" -lt "${outcome%% *}" ] ||
		fail "the entries of the journal do not stand in their order"
	ok "the journal says: taken ${taken#* }, intended ${intended#* }, $1 ${outcome#* }"
}

check_issued() {
	outcome=$(entry issued "\"certificate\":\"$(digest certificate.der)\"" "\"number\":\"$number\"" "\"seq\":$seq," \
		"\"serial\":\"$serial\"") || fail "no entry says that this certificate was issued"
	issued_at=${outcome#* }
	check_taken issued
}

# the number and the time of the one entry of an event whose facts hold all that is given
entry() {
	event=$1
	shift
	printf '%s\n' "$@" >"$work/wanted"
	awk -F '\t' -v event="$event" 'FNR == NR { want[++n] = $0; next }
		$3 == event { good = 1; for (i = 1; i <= n; i++) if (!index($7, want[i])) good = 0
			if (good) { found++; line = $1 " " $2 } }
		END { if (found != 1) exit 1; print line }' "$work/wanted" journal.tsv
}

# --- the approvals ----------------------------------------------------------------------------------------------

check_approvals() {
	count=0
	approvers=" "
	while [ -f "${part}approval-$((count + 1)).eml" ]; do
		count=$((count + 1))
		check_approval "${part}approval-$count" "$(claim "approval-$count")"
	done
	[ $count -gt 0 ] && [ "$count" = "$(claim approvals)" ] || fail "an approval is missing"
}

check_approval() {
	a=$1
	scheme=${2%% *}
	form=${2#* }
	decided=$(entry decided "\"mail\":\"$(digest "$a.eml")\"" "\"number\":\"$number\"" \
		"\"signed\":\"$(digest "$a.signed")\"" "\"status\":\"$(digest "$a.status")\"" '"verb":"approve"') ||
		fail "no entry of the journal says that $a was carried out"
	[ "${taken%% *}" -lt "${decided%% *}" ] && [ "${decided%% *}" -lt "${intended%% *}" ] ||
		fail "$a does not stand between the application and what came of it"
	when=${decided#* }
	facts=$(awk -F '\t' -v seq="${decided%% *}" '$1 == seq { print $7 }' journal.tsv)
	officer=$(fact officer)
	pin=$(fact fingerprint)
	decided_code=$(fact code)
	rows=$(printf '%s\n' "$facts" | sed -n 's/.*"rows":\[\([0-9,]*\)\].*/\1/p')
	case ",$rows," in *",$seq,"*) ;; *) fail "$a was not carried out for row $seq" ;; esac
	case $approvers in *" $officer "*) fail "$officer is counted twice" ;; esac
	approvers="$approvers$officer "
	check_signature
	in_register "$officer" "$pin" || fail "the key $pin of $a is not pinned for $officer in the register file"
	ok "$a: the key $pin is pinned for the officer $officer in the register file"
	check_words
}

fact() {
	printf '%s\n' "$facts" | sed -n "s/.*[{,]\"$1\":\"\([^\"]*\)\".*/\1/p"
}

material() {
	case $facts in *"\"$1\":\"$(digest "$a.$1")\""*) ;; *) fail "$a.$1 is not what the journal names" ;; esac
}

in_register() {
	awk -v officer="$1" -v pin="$2" '
	{ line = $0; rest = ""; quoted = 0
	  for (i = 1; i <= length(line); i++) { c = substr(line, i, 1)
		if (c == "\"") quoted = !quoted; if (c == "#" && !quoted) break; rest = rest c } }
	rest ~ /^[ \t]*\[\[[ \t]*officers[ \t]*\]\]/ { who = "" }
	match(rest, /(^|[ \t{,])id[ \t]*=[ \t]*"[^"]*"/) { who = substr(rest, RSTART, RLENGTH); sub(/"$/, "", who); sub(/.*"/, "", who) }
	who == officer && toupper(rest) ~ ("(FINGERPRINT|PUBLIC_KEY)[ \t]*=[ \t]*\"" pin "\"") { found = 1 }
	END { exit !found }' "${part}register.toml"
}

check_signature() {
	case $form in
	detached)
		parts "$a.eml" >"$work/mail"
		set -- $(sed -n '/^1\.1 /p' "$work/mail")
		slice "$a.eml" "$2" "$4" 1 >"$work/signed"
		cmp -s "$work/signed" "$a.signed" || fail "the signed bytes of $a are not those of its mail"
		set -- $(sed -n '/^1\.2 /p' "$work/mail")
		decode "$a.eml" "$3" "$4" "$6" >"$work/signature"
		cmp -s "$work/signature" "$a.signature" || fail "the signature of $a is not that of its mail"
		;;
	opaque | inline)
		parts "$a.eml" >"$work/mail"
		set -- $(sed -n '/^1 /p' "$work/mail")
		decode "$a.eml" "$3" "$4" "$6" >"$work/signature"
		same_"$form" "$work/signature" "$a.signature" || fail "the signature of $a is not that of its mail"
		;;
	*) fail "facts.txt is not in order" ;;
	esac
	case $scheme in openpgp) check_openpgp ;; smime) check_smime ;; *) fail "facts.txt is not in order" ;; esac
}

same_opaque() {
	cmp -s "$1" "$2"
}

# a block is text: how its lines end, and how many empty ones end it, is not signed
same_inline() {
	as_lines "$1" >"$work/lines"
	as_lines "$2" | cmp -s - "$work/lines"
}

as_lines() {
	awk '{ sub(/[ \t\r]+$/, "") } $0 == "" { empty++; next } { while (empty) { print ""; empty-- } print }' "$1"
}

run_gpg() {
	gpg --no-options --batch --no-tty --quiet --no-autostart --no-auto-key-retrieve --disable-dirmngr \
		--homedir "$work/gpg" --weak-digest SHA1 --weak-digest RIPEMD160 "$@" 2>"$work/gpg.said"
}

check_openpgp() {
	command -v gpg >/dev/null 2>&1 || fail "the program gpg is missing"
	material key.asc
	rm -rf "$work/gpg" "$work/inline"
	mkdir "$work/gpg"
	# not asked how it ends: below a long path gpg misses its agent's socket, having taken the key all the same
	run_gpg --import "$a.key.asc" || :
	then=$(printf '%s' "$when" | sed 's/[-:Z]//g')
	if [ "$form" = inline ]; then
		run_gpg --faked-system-time "$then!" --status-fd 1 --output "$work/inline" --verify "$a.signature" >"$work/status"
	else
		run_gpg --faked-system-time "$then!" --status-fd 1 --verify "$a.signature" "$a.signed" >"$work/status"
	fi || fail "the signature of $a is not good: $(cat "$work/gpg.said")"
	awk -v pin="$pin" '$1 != "[GNUPG:]" { next }
		$2 ~ /^(BADSIG|ERRSIG|EXPSIG|EXPKEYSIG|REVKEYSIG|NO_PUBKEY|NODATA|FAILURE|ERROR|UNEXPECTED)$/ { bad = 1 }
		$2 == "NEWSIG" { new++ } $2 == "GOODSIG" { good++ }
		$2 == "VALIDSIG" { valid++; if ($NF != pin) bad = 1
			if ($10 !~ /^(8|9|10|11|12|14)$/ || $11 !~ /^0[01]$/) bad = 1 }
		END { exit !(!bad && new == 1 && good == 1 && valid == 1) }' "$work/status" ||
		fail "the signature of $a is not one good signature by the key $pin"
	if [ "$form" = inline ]; then
		same_inline "$work/inline" "$a.signed" ||
			fail "the text of $a is not what its block signs"
	fi
	ok "$a: one good OpenPGP signature by $pin over these bytes, at the time of the decision ($when)"
}

check_smime() {
	: >"$work/between.pem"
	: >"$work/lists.pem"
	: >"$work/root.pem"
	lists=0
	place=1
	while [ -f "$a.issuer-$place.der" ]; do
		material "issuer-$place.der"
		cat "$work/root.pem" >>"$work/between.pem"
		pem CERTIFICATE "$a.issuer-$place.der" >"$work/root.pem"
		place=$((place + 1))
	done
	issuers=$((place - 1))
	[ $issuers -gt 0 ] || fail "there is no issuer of the certificate of $a"
	material certificate.der
	pem CERTIFICATE "$a.certificate.der" >>"$work/between.pem"
	place=1
	while [ -f "$a.crl-$place.der" ]; do
		material "crl-$place.der"
		pem "X509 CRL" "$a.crl-$place.der" >>"$work/lists.pem"
		lists=$place
		place=$((place + 1))
	done
	# soft-fail: the desk took the decision although a list was too old
	[ -z "$(sed -n '/^crl stale/p' "$a.status")" ] || lists=0
	[ $lists -gt 0 ] || : >"$work/lists.pem"
	cat "$work/root.pem" "$work/lists.pem" >"$work/trust.pem"
	set --
	[ $lists -gt 0 ] && set -- -crl_check
	[ $lists -ge $issuers ] && set -- -crl_check_all
	[ "$form" = opaque ] || set -- "$@" -content "$a.signed"
	openssl cms -verify -binary -inform DER -in "$a.signature" -CAfile "$work/trust.pem" -certfile "$work/between.pem" \
		-no-CApath -no-CAstore -partial_chain -attime "$(epoch "$when")" -signer "$work/signer.pem" \
		-out "$work/content" "$@" 2>"$work/cms.said" || fail "the signature of $a is not good: $(cat "$work/cms.said")"
	if [ "$form" = opaque ]; then
		cmp -s "$work/content" "$a.signed" || fail "the signed bytes of $a are not those of its mail"
	fi
	[ "$(awk '/BEGIN CERT/ { n++ } END { print n + 0 }' "$work/signer.pem")" = 1 ] || fail "$a has not one signer"
	openssl x509 -in "$work/signer.pem" -noout -pubkey | sed /^-/d | openssl base64 -d >"$work/spki"
	[ "$(digest "$work/spki" | awk '{ print toupper($0) }')" = "$pin" ] || fail "the signature of $a is not by the key $pin"
	[ $lists -gt 0 ] || printf 'note  %s: the decision was taken without a fresh revocation list\n' "$a"
	ok "$a: one good S/MIME signature by the public key $pin over these bytes, at the time of the decision ($when)"
}

# what the officer signed: exactly one decision, and the code of the sheet (or the very file, uploaded)
check_words() {
	if [ "$form" = inline ]; then
		charset=utf-8
		awk '/\033/ { found = 1 } END { exit !found }' "$a.signed" && charset=iso-2022-jp
		read_text "$a.signed" "$charset" - - >"$work/said"
	else
		set -- $(parts "$a.signed" | awk '$5 !~ /^multipart\// { print; exit }')
		[ "$5" = text/plain ] && [ "${10}" != attached ] || fail "$a does not begin with a plain text"
		decode "$a.signed" "$3" "$4" "$6" >"$work/text" || fail "the text of $a can't be decoded"
		read_text "$work/text" "$7" "$8" "$9" >"$work/said"
	fi
	line=$(sed -n 's/^LINE //p' "$work/said")
	codes=$(sed -n 's/^CODE //p' "$work/said")
	case $line in
	*"
"*) fail "the text of $a holds two decisions" ;;
	"APPLY AND APPROVE "*) check_upload ;;
	"APPROVE REVOCATION" | "APPROVE REVOCATION "*)
		[ "$kind" = revoke ] || fail "the text of $a approves a revocation"
		check_code
		;;
	APPROVE | "APPROVE "*)
		[ "$kind" = revoke ] && fail "the text of $a approves no revocation"
		check_code
		;;
	*) check_returned ;;
	esac
}

check_upload() {
	case "$line $kind" in
	*" ISSUE"*" issue" | *" RENEW"*" renew" | *" REVOKE"*" revoke") ;;
	*) fail "$a approves another kind of application" ;;
	esac
	check_file
	ok "$a: $officer signed '$line' over the TSV file itself"
}

check_file() {
	[ "$decided_code" = "$code" ] || fail "$a was carried out for another sheet"
	cmp -s "$a.eml" "${part}application.eml" || fail "$a is not the mail that brought the application"
	holds "$a.signed" "${part}application.tsv" || fail "the signature of $a does not cover the TSV file"
}

# a renewal brings its officers a file that asks for the old certificate's revocation: sent back as it was, signed
check_returned() {
	[ "$kind" = revoke ] && [ -z "$line$codes" ] || fail "the text of $a holds no approval"
	is_of_a_renewal || fail "the text of $a holds no approval"
	check_file
	ok "$a: $officer signed the revocation TSV of a renewal, as it was sent out"
}

check_code() {
	[ "$codes" = "$decided_code" ] || fail "the text of $a does not hold the one code $decided_code"
	if [ "$decided_code" = "$code" ]; then
		covers "$line" "$seq" || fail "'$line' does not cover row $seq"
		ok "$a: $officer signed '$line' with the code $code of the sheet"
		return
	fi
	[ -f "$a.sheet" ] || fail "$a was carried out for another sheet"
	[ "$(printf '%.32s' "$(digest "$a.sheet")")" = "$decided_code" ] || fail "$a.sheet is not the sheet with that code"
	awk -v want="$number: $kind sha256:$sheet" '$0 == want { found = 1 } END { exit !found }' "$a.sheet" ||
		fail "the batch does not hold this sheet"
	place=$(awk -v digest="sha256:$row" -v row="$number/$seq" '/^Row-[0-9]+: / && $2 == digest && $3 == row { print $1 }' \
		"$a.sheet" | sed -e 's/^Row-//' -e 's/:$//')
	[ -n "$place" ] && covers "$line" "$place" || fail "'$line' does not cover this row of the batch"
	ok "$a: $officer signed '$line' with the code $decided_code of a batch that holds this sheet, row $place"
}

# --- the revocation ---------------------------------------------------------------------------------------------

# the row names this certificate and a reason; the issuer's list holds both
check_revoked_row() {
	[ "$(cell 4)" = "$serial" ] || fail "the row asks for the revocation of another certificate"
	[ "$(row_names | sed -n 's/^CN=//p')" = "$(sed -n 's/^CN=//p' "$work/certificate.names")" ] ||
		fail "the row asks for the revocation of a certificate of another name"
	reason=$(cell 5)
	case $reason in
	0) why="その他 / unspecified" ;;
	1) why="鍵の危殆化 / Key Compromise" ;;
	3) why="内容の変更 / Affiliation Changed" ;;
	4) why="証明書の更新(取替) / Superseded" ;;
	5) why="運用の停止 / Cessation Of Operation" ;;
	*) fail "the row gives a reason that does not exist" ;;
	esac
	ok "the row asks to revoke the certificate $serial for the reason $reason ($why)"
}

check_list() {
	pem CERTIFICATE issuer-1.der >"$work/issuer.pem"
	openssl crl -inform DER -in revocation/crl.der -noout -text -CAfile "$work/issuer.pem" -no-CApath -no-CAstore \
		>"$work/crl.text" 2>"$work/crl.said" && [ "$(cat "$work/crl.said")" = "verify OK" ] ||
		fail "the revocation list is not signed by the issuer of the certificate"
	awk -v serial="$hex" '
		/^    Serial Number: / { ours = ($3 == serial); n += ours; next }
		/^    Signature Algorithm: / || !ours { ours = 0; next }
		/^        Revocation Date: / { sub(/.*Date: /, ""); date = $0 }
		named { sub(/^ +/, ""); reason = $0; named = 0 }
		/X509v3 CRL Reason Code: *$/ { named = 1 }
		END { if (n != 1) exit 1; print (reason == "" ? "unspecified" : reason); print date }' "$work/crl.text" >"$work/revoked" ||
		fail "the revocation list does not name the certificate once"
	case "$why" in *" / $(sed -n 1p "$work/revoked")") ;; *) fail "the revocation list gives another reason than the row" ;; esac
	revoked_at=$(sed -n 2p "$work/revoked")
	ok "a list that the issuer signed names the serial number $serial: revoked $revoked_at, for the same reason"
}

check_revoked() {
	list=$(claim crl)
	case $list in *[!0-9]* | "") fail "facts.txt is not in order" ;; esac
	outcome=$(entry revoked "\"crl\":$list," "\"number\":\"$number\"" "\"reason\":$reason," "\"seq\":$seq," \
		"\"serial\":\"$serial\"") || fail "no entry says that this certificate was revoked"
	listed=$(entry crl "\"number\":$list," "\"sha256\":\"$(digest revocation/crl.der)\"") ||
		fail "no entry says that this revocation list was signed"
	check_taken revoked
	[ "${issued%% *}" -lt "${taken%% *}" ] && [ "${intended%% *}" -lt "${outcome%% *}" ] && [ "${listed%% *}" -lt "${outcome%% *}" ] ||
		fail "the entries of the journal do not stand in their order"
	from=$(sed -n 's/^Journal: //p' revocation/application.sheet)
	awk -F '\t' -v head="$from" -v last="${taken%% *}" '$6 == head && $1 < last + 0 { found = 1 } END { exit !found }' journal.tsv ||
		fail "the journal path does not hold the head that the sheet of the revocation names"
}

check_revocation() {
	issued=$outcome
	serial_issued=$serial
	[ -d revocation ] || {
		entry revoked "\"serial\":\"$serial\"" >/dev/null && fail "the journal says revoked, and the proof of it is missing"
		return
	}
	part=revocation/
	check_request
	[ "$serial" = "$serial_issued" ] || fail "facts.txt is not in order"
	check_revoked_row
	check_list
	check_revoked
	check_approvals
}

tell() {
	printf '\nPROVEN / 証明できました\n'
	printf 'Certificate %s of %s, approved by:%s\n' "$serial" "$request" "$approved"
	if [ -n "$part" ]; then
		printf 'It was REVOKED on %s, asked for in %s row %s, approved by:%s\n' "$revoked_at" "$number" "$seq" "$approvers"
		printf 'この証明書は失効しています。失効日時: %s、理由: %s (%s)\n' "$revoked_at" "$reason" "$why"
	fi
	printf 'Compare by eye / 目で照合してください:\n'
	printf '  the issuer (SHA-256 of its certificate)   %s\n' "$top"
	printf '  the newest head of the journal            %s\n' "$head"
	for sheet in application.sheet ${part:+"${part}application.sheet"}; do
		printf '  the register file (SHA-256)               %s\n' "$(sed -n 's/^Register: sha256://p' "$sheet")"
		printf '  the policy of the sheet                   %s\n' "$(sed -n 's/^Policy: //p' "$sheet")"
	done
}

main() {
	part=
	issued_at=
	prepare
	check_sums
	check_seal
	check_request
	check_journal
	check_issued
	check_certificate
	check_approvals
	request="$number row $seq"
	approved=$approvers
	check_revocation
	# one changed byte may disarm `fail`: whether the two looks at this script succeeded is asked for by itself
	[ "$broken$sums$seal" = noholdhold ] || exit 1
	verdict=PROVEN
	tell
}

trap leave EXIT
trap 'exit 1' HUP INT TERM
main "$@"
