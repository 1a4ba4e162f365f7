"""CloudFormation, in place of moto's.

That lacks half of the resources that a stack of ours has, undoes nothing when one fails, tells nothing of replacements
in change sets, and makes and deletes resources in no order that AWS would.
"""
