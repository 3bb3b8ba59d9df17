using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OrleansPd.Cluster.Tests.Processes;

/// <summary>Unix signals, and processes that never outlive the test's.</summary>
internal static class Signals
{
    private const int Interrupt = 2;
    private const int Stop = 19;
    private const int Terminate = 15;
    private const int Continue = 18;

    /// <summary>
    /// Runs the program that follows in the shell's own process. A background loop kills it when the process named first is gone,
    /// for whatever reason.
    /// </summary>
    private const string Guarded =
        "(while kill -0 \"$0\" 2>/dev/null && kill -0 $$ 2>/dev/null; do sleep 1; done; kill -9 $$) >/dev/null 2>&1 </dev/null "
            + "& exec \"$@\"";

    public static Process Start(string program, IEnumerable<string> arguments)
    {
        string[] all = ["-c", Guarded, Environment.ProcessId.ToString(), program, .. arguments];
        var start = new ProcessStartInfo("/bin/sh", all) { RedirectStandardError = true, RedirectStandardOutput = true };
        return System.Diagnostics.Process.Start(start) ?? throw new InvalidOperationException($"{program} does not start");
    }

    /// <summary>SIGSTOP: like a machine that hangs. Its sockets stay open.</summary>
    public static void Freeze(Process process) => Assert.Equal(0, Send(process.Id, Stop));

    /// <summary>SIGTERM: as a supervisor stops a service.</summary>
    public static void End(Process process) => Assert.Equal(0, Send(process.Id, Terminate));

    /// <summary>SIGINT: Ctrl-C.</summary>
    public static void Break(Process process) => Assert.Equal(0, Send(process.Id, Interrupt));

    public static void Thaw(Process process) => Assert.Equal(0, Send(process.Id, Continue));

    [DllImport("libc", EntryPoint = "kill")]
    private static extern int Send(int process, int signal);
}
