using System.CommandLine;
using System.CommandLine.Help;
using OrleansPd.Server.CommandLine;
using OrleansPd.Tools.Output;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Server.Commands;

/// <summary>All commands, and how they end.</summary>
internal static class CommandTree
{
    private const string About =
        "OrleansPd: a gateway for SGLang engines that serves prefill and decode apart. "
        + "Try 'orleanspd demo' first: it needs no GPU.";

    public static RootCommand Create(CommandContext context)
    {
        var root = new RootCommand(About)
        {
            DemoCommand.Create(context),
            GatewayCommand.Create(context),
            DevCommand.Create(context),
            EngineCommand.Create(context),
            BootstrapCommand.Create(context),
            ReplayCommand.Create(context),
            WorkersCommand.Create(context),
            PoolsCommand.Create(context),
        };
        foreach (var help in root.Options.OfType<HelpOption>())
        {
            help.Action = new GroupedHelp(context);
        }

        return root;
    }

    /// <summary>What was probably meant; empty where nothing is near.</summary>
    private static string Nearest(ParseResult parsed, string given)
    {
        var command = parsed.CommandResult.Command;
        var known = given.StartsWith('-') ? command.Options.Where(o => !o.Hidden).Select(o => o.Name)
            : command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name);
        var nearest = known.MinBy(name => Spelling.Distance(name, given));
        return nearest is not null && Spelling.Distance(nearest, given) <= Math.Max(1, given.Length / 4)
            ? $" Did you mean '{nearest}'?"
            : "";
    }

    /// <summary>Parses and runs; returns the exit code. Cancelling is an ordinary end.</summary>
    public static async Task<int> RunAsync(string[] args, CommandContext context, CancellationToken cancellationToken)
    {
        var parsed = Create(context).Parse(
            args.Length == 0 ? ["--help"] : args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        try
        {
            if (parsed.Errors.Count > 0 && parsed.Action is not GroupedHelp)
            {
                throw new BadInputException(
                    parsed.UnmatchedTokens is [var unknown, ..] ? $"'{unknown}' is not known here.{Nearest(parsed, unknown)}"
                    : parsed.CommandResult.Command is { Subcommands: { Count: > 0 } commands }
                        ? $"say what to do: {string.Join(", ", commands.Where(c => !c.Hidden).Select(c => c.Name))}."
                        : parsed.Errors[0].Message);
            }

            return await parsed.InvokeAsync(
                new InvocationConfiguration
                {
                    EnableDefaultExceptionHandler = false,
                    Error = context.Error,
                    Output = context.Out,
                    ProcessTerminationTimeout = null,
                },
                cancellationToken);
        }
        catch (BadInputException error)
        {
            context.Error.WriteLine($"error: {error.Message}");
            context.Error.WriteLine($"'{CommandPath.Of(parsed.CommandResult.Command)} --help' shows what can be given.");
            return ExitCode.BadInput;
        }
        catch (TraceFormatException error)
        {
            context.Error.WriteLine($"error: {error.Message}");
            return ExitCode.BadInput;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Success;
        }
        catch (CommandFailedException error)
        {
            context.Error.WriteLine($"error: {error.Message}");
            return ExitCode.Failure;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            context.Error.WriteLine($"error: {error.Message}");
            return ExitCode.Failure;
        }
        catch (Exception error)
        {
            // A bug: whoever reports it needs all of it.
            context.Error.WriteLine($"error: {error}");
            return ExitCode.Failure;
        }
    }
}
