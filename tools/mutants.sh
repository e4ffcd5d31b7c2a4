#!/bin/bash
# What do the tests miss? tools/mutants.sh [OPTION...] [FILE...]
# Plants defects in the library, runs the test programs that reach each, and prints those that no
# test has caught. FILE: only defects of this source, or of this folder ("src/timer").
#
#   --all          every defect that there is: some 3900; Wine takes many hours for them
#   --every K      one of K of each file (15) and all of tools/mutants/list.txt
#   --only N       the one of this number; or those whose name has this in it
#   --suite NAME   native: the core on the simulated backend; wine: IOCP.
#                  Without it both, the core under Wine only where the simulation has caught nothing
#   --list         show the defects, run nothing
#   --fresh        forget what earlier runs have found; without it they are gone on with
#
# It works below build/mutants only. There, one build has all the defects, and IOCPLOOP_MUTANT says
# which one is active: so IOCPLOOP_MUTANT=N build/mutants/native/test/unit_op shows what one does.
# A defect that changes nothing is entered in tools/mutants/equal.txt, with the reason.
#
# The last line: "N planted, N change nothing, N caught (P %), N survived".
set -euo pipefail
source "$(dirname "$0")/common.sh"

"$root/tools/setup.sh"
mkdir -p "$build/mutants/output"
# Colours would hide from us that a test has failed.
export CLICOLOR=0 NO_COLOR=1 PYTHONPYCACHEPREFIX=$build/mutants/python
exec /usr/bin/python3 "$root/tools/mutants/main.py" "$@"
