using System.CommandLine;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using OrleansPd.Server.CommandLine;
using OrleansPd.Server.Commands;
using OrleansPd.Tools.Output;

namespace OrleansPd.Silo.Commands;

/// <summary>The commands of <c>orleanspd-silo</c>.</summary>
internal static class SiloCommands
{
    private const string About =
        "OrleansPd on many machines: silos with a gateway each, one fleet of SGLang engines. "
        + "Try 'orleanspd-silo dev' first: it needs no GPU and no Redis.";

    public static RootCommand Create(CommandContext context) => CommandTree.WithHelp(
        new NamedRoot("orleanspd-silo", About) { RunCommand.Create(context), DevCommand.Create(context) }, context);

    /// <summary>One line for each event. What Orleans tells its developers is shown with <c>--log-level debug</c> too.</summary>
    public static Action<ILoggingBuilder> Log(IConfiguration settings, CommandContext context) => logging =>
    {
        if (settings["LogLevel:Default"] is not ("Trace" or "Debug"))
        {
            logging.AddFilter("Orleans.", LogLevel.Error);
            // A message does not reach a silo that is dead and not known to be: whoever sent it hears of it, and says so once.
            logging.AddFilter("Orleans.Messaging", LogLevel.Critical);
        }
        LineLog.Configure(logging, settings, context.Error, context.Time);
    };
}
