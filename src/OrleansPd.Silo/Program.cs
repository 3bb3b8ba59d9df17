using OrleansPd.Server.CommandLine;
using OrleansPd.Server.Commands;
using OrleansPd.Silo.Commands;
using OrleansPd.Tools.Output;

using var signals = new StopSignals();
var context = CommandContext.OfProcess();
return await CommandTree.RunAsync(SiloCommands.Create(context), args, context, signals.Token);
