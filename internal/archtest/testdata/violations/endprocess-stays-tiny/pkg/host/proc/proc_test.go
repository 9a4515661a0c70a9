package proc

import _ "os/exec"
