using Mono.Cecil;
using Mono.Cecil.Cil;

namespace OrleansPd.Architecture.Tests;

/// <summary>An arrow: code in <paramref name="From"/> uses a type of <paramref name="To"/>.</summary>
internal readonly record struct Arrow(string From, string To)
{
    public Arrow Back => new(To, From);

    public override string ToString() => $"{From} -> {To}";
}

/// <summary>
/// The arrows between folders, read from the compiled assemblies: base types, interfaces, attributes, signatures, local variables
/// and instructions. A constant leaves no trace in compiled code, so its use alone makes no arrow.
/// </summary>
internal sealed class CompiledArrows
{
    private const string Prefix = "OrleansPd.";
    private readonly Dictionary<Arrow, SortedSet<string>> _examples = [];

    private CompiledArrows()
    {
    }

    /// <summary>Every arrow with the names of the types it starts at.</summary>
    public IReadOnlyDictionary<Arrow, SortedSet<string>> Examples => _examples;

    /// <summary>Methods that call native code, as <c>project: type.method</c>.</summary>
    public SortedSet<string> NativeCalls { get; } = new(StringComparer.Ordinal);

    public static CompiledArrows Read()
    {
        var arrows = new CompiledArrows();
        foreach (var project in Repository.Projects)
        {
            using var module = ModuleDefinition.ReadModule(project.AssemblyPath);
            foreach (var type in module.GetTypes())
                arrows.Add(project, type);
        }

        return arrows;
    }

    private void Add(Project project, TypeDefinition type)
    {
        if (FolderOf(type) is not { } from)
            return;

        var example = Outermost(type).Name;
        AddAll(from, example, type.BaseType);
        foreach (var implemented in type.Interfaces)
            AddAll(from, example, implemented.InterfaceType);

        AddAttributes(from, example, type);
        AddConstraints(from, example, type);
        foreach (var field in type.Fields)
        {
            AddAll(from, example, field.FieldType);
            AddAttributes(from, example, field);
        }

        foreach (var property in type.Properties)
            AddAttributes(from, example, property);

        foreach (var method in type.Methods)
        {
            if (method.IsPInvokeImpl)
                NativeCalls.Add($"{project.Name}: {type.Name}.{method.Name}");

            Add(from, example, method);
        }
    }

    private void Add(string from, string example, MethodDefinition method)
    {
        AddSignature(from, example, method);
        AddAttributes(from, example, method);
        AddConstraints(from, example, method);
        if (!method.HasBody)
            return;

        foreach (var variable in method.Body.Variables)
            AddAll(from, example, variable.VariableType);

        foreach (var caught in method.Body.ExceptionHandlers)
            AddAll(from, example, caught.CatchType);

        foreach (var instruction in method.Body.Instructions)
            AddOperand(from, example, instruction);
    }

    private void AddOperand(string from, string example, Instruction instruction)
    {
        switch (instruction.Operand)
        {
            case TypeReference type:
                AddAll(from, example, type);
                break;
            case FieldReference field:
                AddAll(from, example, field.DeclaringType);
                AddAll(from, example, field.FieldType);
                break;
            case MethodReference called:
                AddAll(from, example, called.DeclaringType);
                AddSignature(from, example, called);
                if (called is GenericInstanceMethod generic)
                    AddAll(from, example, [.. generic.GenericArguments]);

                break;
        }
    }

    private void AddSignature(string from, string example, MethodReference method) =>
        AddAll(from, example, [method.ReturnType, .. method.Parameters.Select(parameter => parameter.ParameterType)]);

    private void AddAttributes(string from, string example, ICustomAttributeProvider owner)
    {
        foreach (var attribute in owner.CustomAttributes)
        {
            AddAll(from, example, attribute.AttributeType);
            foreach (var argument in attribute.ConstructorArguments)
                AddAll(from, example, argument.Type, argument.Value as TypeReference);
        }
    }

    private void AddConstraints(string from, string example, IGenericParameterProvider owner)
    {
        foreach (var constraint in owner.GenericParameters.SelectMany(parameter => parameter.Constraints))
            AddAll(from, example, constraint.ConstraintType);
    }

    private void AddAll(string from, string example, params ReadOnlySpan<TypeReference?> used)
    {
        foreach (var type in used)
        {
            switch (type)
            {
                case GenericInstanceType generic:
                    AddAll(from, example, generic.ElementType);
                    AddAll(from, example, [.. generic.GenericArguments]);
                    break;
                case TypeSpecification wrapped:
                    AddAll(from, example, wrapped.ElementType);
                    break;
                case { } plain when FolderOf(plain) is { } to && to != from:
                    if (!_examples.TryGetValue(new(from, to), out var examples))
                        _examples[new(from, to)] = examples = new(StringComparer.Ordinal);

                    examples.Add($"{example} uses {Outermost(plain).Name}");
                    break;
            }
        }
    }

    /// <summary>Null for code that is not ours or that a generator wrote.</summary>
    private static string? FolderOf(TypeReference type) =>
        Outermost(type).Namespace is { } space && space.StartsWith(Prefix, StringComparison.Ordinal) ? space[Prefix.Length..]
            : null;

    private static TypeReference Outermost(TypeReference type)
    {
        while (type.DeclaringType is { } outer)
            type = outer;

        return type;
    }
}
