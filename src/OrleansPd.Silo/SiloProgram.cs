using OrleansPd.Server.Commands;
using OrleansPd.Silo.Commands;

namespace OrleansPd.Silo;

internal static class SiloProgram
{
    public static async Task<int> Main(string[] args)
    {
        using var signals = new StopSignals();
        return await SiloCommandTree.RunAsync(args, CommandContext.OfProcess(), signals.Token);
    }
}
