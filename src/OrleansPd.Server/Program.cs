using OrleansPd.Server.Commands;

using var signals = new StopSignals();
return await CommandTree.RunAsync(args, CommandContext.OfProcess(), signals.Token);
