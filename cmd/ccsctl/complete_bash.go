package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// quoteFunction quotes as printf %q does, but for commas and exclamation marks:
// bash quotes them too (commas since 5.2), and then no list that is separated by
// commas and no selector with a ! is ever completed, because what a person has
// typed is not quoted (spf13/cobra issue 2385).
const quoteFunction = `
__ccsctl_quote()
{
    local quoted
    printf -v quoted "$@"
    quoted=${quoted//\\,/,}
    printf "%s" "${quoted//\\!/!}"
}
`

// bashScript mends the script that cobra writes for bash.
var bashScript = strings.NewReplacer(
	"\n__ccsctl_debug()\n", quoteFunction+"\n__ccsctl_debug()\n",
	`printf -v comp "%q" "${compline%%$tab*}" &>/dev/null || comp=$(printf "%q" "${compline%%$tab*}")`, `printf -v comp "%q" "${compline%%$tab*}"
        comp=${comp//\\,/,}
        comp=${comp//\\!/!}`,
	`$(printf "%q" `, `$(__ccsctl_quote "%q" `,
	`< <(printf "%q\n" `, `< <(__ccsctl_quote "%q\n" `,
)

// mendBash lets lists be completed in bash as they are in zsh and fish. The
// command is cobra's; it exists once the output of root is set.
func mendBash(root *cobra.Command) {
	root.InitDefaultCompletionCmd("completion")
	if all, _, err := root.Find([]string{"completion"}); err == nil {
		all.Args, all.RunE = cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("there is no completion for %q: give one of bash, zsh, fish, powershell", strings.Join(args, " "))
		}
	}
	bash, _, err := root.Find([]string{"completion", "bash"})
	if err != nil {
		return // no completion, nothing to mend
	}
	bash.RunE = func(cmd *cobra.Command, _ []string) error {
		without, err := cmd.Flags().GetBool("no-descriptions")
		if err != nil {
			return err
		}
		var script bytes.Buffer
		if err := root.GenBashCompletionV2(&script, !without); err != nil {
			return err
		}
		_, err = bashScript.WriteString(cmd.OutOrStdout(), script.String())
		return err
	}
}
