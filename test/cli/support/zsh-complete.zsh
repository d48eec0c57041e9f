# Prints what zsh would offer for a line, one a line: zsh -f zsh-complete.zsh SCRIPT LINE
# An interactive zsh on a terminal of its own completes the line; what it hands to the menu is printed instead.
zmodload zsh/zpty || exit 1
zpty shell zsh -f -i
setup=$(mktemp)
cat > $setup <<'SETUP'
PROMPT=
unsetopt beep
autoload -Uz compinit
compinit -u -D
bindkey '^M' undefined-key
bindkey '^J' undefined-key
bindkey '^I' complete-word
zstyle ':completion:*' insert-tab false
zstyle ':completion:*' verbose false
zstyle ':completion:*' completer _complete
begin-offers() { print -r - $'\n<offers>' }
end-offers() { print -r - $'\n</offers>'; exit }
compprefuncs=(begin-offers)
comppostfuncs=(end-offers)
compadd() {
  # Asked to sort words, not to offer them.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
    builtin compadd "$@"
    return $?
  fi
  local -a offered
  builtin compadd -A offered "$@"
  local offer
  for offer in $offered; do print -r - $'\n'"offer:$offer"; done
}
SETUP
zpty -w shell "source ${(q)setup}; source ${(q)1}; print '<''ready>'"
zpty -r shell line $'*<ready>*'
zpty -w -n shell "$2"$'\t'
zpty -r shell line $'*</offers>*'
zpty -d shell
rm -f $setup
print -r - "${line//$'\r'/}" | grep '^offer:' | cut -d: -f2- | sort -u
