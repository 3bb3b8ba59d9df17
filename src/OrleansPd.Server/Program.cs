using OrleansPd.Server.CommandLine;
using OrleansPd.Server.Commands;
using OrleansPd.Tools.Output;

using var signals = new StopSignals();
return await CommandTree.RunAsync(args, CommandContext.OfProcess(), signals.Token);
